"""Everything the gateway raises on purpose."""


class GatewayError(Exception):
    """Root of the tree; the message names what is wrong and the remedy."""


class SettingsError(GatewayError):
    """The configuration cannot be used; the process ends with exit code 78 (EX_CONFIG)."""


class SpoolError(GatewayError):
    """The spool cannot be opened or is not of this version."""


class ReceiverLost(GatewayError):
    """The receiver does not answer, was unplugged, or what it says is not a position source."""
