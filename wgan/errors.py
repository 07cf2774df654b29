"""What can go wrong, by whose mistake it is: each message is one sentence a stranger can act on."""

from __future__ import annotations

from wgan.printable import printable, printable_lines


class WganError(Exception):
    """Something outside the code failed (a server, a file, a disk); the message says what and how to mend it."""

    exit_code = 1

    def __init__(self, sentence: str = "", log: str = "") -> None:
        """`log` is the end of a server's log, lines to show below the sentence."""
        super().__init__(*((sentence, log) if log else (sentence,)))

    def __str__(self) -> str:
        """The sentence, which may quote what was stored or uploaded, without what a terminal would obey."""
        sentence, *log = self.args
        return "\n".join((printable(str(sentence)), *map(printable_lines, log)))


class UsageError(WganError):
    """The user asked for something impossible; the message says what is wrong, where, and what is allowed."""

    exit_code = 2


class GateRefused(WganError):
    """The promotion gate said no; the message names the rule, both values and the interval."""

    exit_code = 3


class Overtaken(WganError):
    """Another promotion or rollback came first, so what this one was decided from holds no longer."""


class ForeignVersion(WganError):
    """A registered version that this pipeline has no record of: others registered it, or its files are gone."""


class StorageError(WganError):
    """The object store did not do what was asked of it."""


class AccessRefused(StorageError):
    """The object store does not accept who asks: keys wrong or expired, a right missing, the clock wrong."""


class ObjectMissing(StorageError):
    """No object under that key."""


class ObjectDamaged(StorageError):
    """The bytes under a key are not the ones that were written."""


class DataError(WganError):
    """The data set cannot be had or is not what it should be."""


class DataMissing(DataError):
    """The folder or file that a configuration names is not there, or not to be read."""


class TrainingDiverged(WganError):
    """A loss or a weight became NaN or infinite; the last good checkpoint is kept."""


class CheckpointError(WganError):
    """A checkpoint is missing, incomplete or of another configuration."""


class Interrupted(WganError):
    """The work was asked to stop, and stopped where it can be continued."""

    exit_code = 130
