"""What ``gateway doctor`` looks at; each check tells what it found and what to do about it."""

from typing import Literal

import msgspec

type Verdict = Literal["good", "warning", "bad", "skipped"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        verdict: ``warning``: it works, but not as it should; ``bad``: it does not.
        told: what was found. remedy: what to do; empty when there is nothing to do.
    """

    name: str
    verdict: Verdict
    told: str
    remedy: str = ""


def good(name: str, told: str) -> Check:
    """All is well."""
    return Check(name=name, verdict="good", told=told)


def warning(name: str, told: str, remedy: str) -> Check:
    """It works, but not as it should."""
    return Check(name=name, verdict="warning", told=told, remedy=remedy)


def bad(name: str, told: str, remedy: str) -> Check:
    """It does not work."""
    return Check(name=name, verdict="bad", told=told, remedy=remedy)


def skipped(name: str, told: str) -> Check:
    """It cannot be looked at here, or need not be."""
    return Check(name=name, verdict="skipped", told=told)
