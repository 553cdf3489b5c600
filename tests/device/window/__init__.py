"""The Licensing window without a server: its texts, page values, links and forms."""
