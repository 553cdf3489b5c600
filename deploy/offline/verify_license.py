"""Verify a license document without a network: `python verify_license.py DOCUMENT JWKS [NONCE]`, two files.

Needs `pip install pyjwt[crypto]`. Prints what the document says; if it cannot be verified, prints why and exits with 1.
JWKS is the device service's answer at /.well-known/jwks.json: fetch it once, over a connection that you trust.
"""

import json
import sys
from pathlib import Path

import jwt

document, jwks, *nonce = (Path(sys.argv[1]).read_text().strip(), Path(sys.argv[2]).read_text(), *sys.argv[3:])
try:
    header = jwt.get_unverified_header(document)
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_json(jwks).keys}
    if header.get("typ") != "perennial-license" or header.get("kid") not in keys:
        sys.exit("not verified: this is no license, or none of the keys signed it")
    required = {"require": ["exp", "sub", "iss"], "verify_iat": False}  # a device's clock may be behind
    told = jwt.decode(document, keys[header["kid"]], algorithms=["EdDSA"], options=required)
except jwt.PyJWTError as error:
    sys.exit(f"not verified: {error}")
if nonce and told.get("nonce") != nonce[0]:
    sys.exit("not verified: this answers another request")
print(json.dumps(told, indent=2, ensure_ascii=False))
