"""Replies, scores, comparison and report."""
