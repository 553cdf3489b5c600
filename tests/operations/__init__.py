"""What an operator looks at and orders, at the doors of a service."""
