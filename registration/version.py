"""The version of the service, in the one place from which package, metrics and SBOM read it."""

VERSION = "0.1.0"
