"""A service's configuration: environment variables, files of secrets, and the vendor's policy file.

Errors name the setting. Nothing is read when a module is imported.
"""
