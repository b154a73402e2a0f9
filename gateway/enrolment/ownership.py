"""Work in a gateway's data folder as its owner, also in a command that an administrator runs.

The folder is the service's, whose user may have been taken over and may have planted links in it:
root would write, remove and give away what they point to. As the owner it can do no more there than
that user can anyhow.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """Have the rights of ``folder``'s owner and group, and no others, for as long as it takes.

    What is made then is theirs, so that the service can read it. For anybody but root, and where
    the folder is not there yet, nothing changes.
    """
    owner = folder.stat() if os.geteuid() == 0 and folder.exists() else None
    if owner is None or owner.st_uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
