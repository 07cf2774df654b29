"""The errors, by cause: each message is one sentence that a stranger can act on."""

from __future__ import annotations

from wgan.printable import printable, printable_lines


class WganError(Exception):
    """Something outside the code failed (a server, a file, a disk); the message says what, and how to fix it."""

    exit_code = 1

    def __init__(self, sentence: str = "", log: str = "") -> None:
        """`log` is the end of a server's log, shown below the sentence."""
        super().__init__(*((sentence, log) if log else (sentence,)))

    def __str__(self) -> str:
        """The sentence, which may quote stored or uploaded text, without terminal control characters."""
        sentence, *log = self.args
        return "\n".join((printable(str(sentence)), *map(printable_lines, log)))


class UsageError(WganError):
    """The user asked for something impossible; the message says what is wrong, where, and what is allowed."""

    exit_code = 2


class GateRefused(WganError):
    """The promotion gate refused; the message names the rule, both values and the interval."""

    exit_code = 3


class Overtaken(WganError):
    """Another promotion or rollback came first, so this one's premises no longer hold."""


class ForeignVersion(WganError):
    """A registered version that this pipeline has no record of: registered by others, or without its files."""


class StorageError(WganError):
    """A request to the object store failed."""


class AccessRefused(StorageError):
    """The object store denies access: wrong or expired keys, a missing permission, or a wrong clock."""


class ObjectMissing(StorageError):
    """No object under that key."""


class ObjectDamaged(StorageError):
    """The bytes under a key are not the ones that were written."""


class DataError(WganError):
    """The data set is unavailable or not what it should be."""


class DataRefused(DataError):
    """The rules for the data set refuse it; the message names the first limit that is exceeded."""

    exit_code = 3


class DataMissing(DataError):
    """The folder or file that a configuration names is missing or unreadable."""


class TrainingDiverged(WganError):
    """A loss or a weight became NaN or infinite; the last good checkpoint is kept."""


class RankLost(WganError):
    """Another process of a training on several workers ended, or did not answer in time."""


class CheckpointError(WganError):
    """A checkpoint is missing, incomplete or of another configuration."""


class Interrupted(WganError):
    """The work was asked to stop, and stopped where it can be resumed."""

    exit_code = 130
