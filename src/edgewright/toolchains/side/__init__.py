"""What runs inside a vendor's environment: standard library only, Python 3.6 and later."""
