"""TLS as BCP 195 (RFC 9325) wants it: certificates read, judged and told in words, and the contexts of OpenSSL.

Nothing outside of this package touches a certificate, and nothing imports it where no TLS is configured.
"""
