"""Cryptography: signs documents and tokens, and encrypts personal data so that it can be erased (crypto-shredding).

No rule and no route may come in here.
"""
