"""Whatever can be asked: a model in this process, or one behind a server."""
