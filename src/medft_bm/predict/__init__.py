"""One image, one question, one model: from a file to a reply, a measurement and a picture."""
