"""What a service is told from outside: environment variables, files of secrets, and the vendor's policy file.

What is wrong is said with the setting's name. Nothing is read when a module is imported.
"""
