"""The Licensing window without a server: its words, its page values, its links and forms."""
