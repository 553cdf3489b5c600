"""What every rule is built from: deciders, checks, license terms, activation codes, and the vendor's policy.

Pure: imports messages, and nothing that does I/O, reads a clock or uses chance. The rules themselves are in the
services' deciders; no rule about one service's subject may come in here.
"""
