"""The version of the service, which package, metrics and SBOM read from here."""

VERSION = "0.1.0"
