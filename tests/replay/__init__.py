"""What can be done with the log afterwards: asked as of a time, explained, replayed under another policy, foreseen."""
