"""The command `wgan`: its commands, and what each kind of mistake prints and exits with.

Heavy imports are inside the commands, so that `--help` is fast.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from wgan import __version__
from wgan.commands import (
    backup,
    compare,
    data,
    doctor,
    evaluate,
    housekeeping,
    init_env,
    listen,
    models,
    promote,
    retrain,
    runs,
    schedule,
    serve,
    stack,
    study,
    worker,
)
from wgan.commands.plain_letters import accept_every_letter
from wgan.errors import WganError
from wgan.printable import printable_lines, use_printable_records
from wgan.proxies import normalise_proxies

SERVERS = "Servers and this machine"
TRAINING = "Data and training"
JUDGING = "Judge"
PRODUCTION = "Promote and serve"
OPERATIONS = "Unattended"
UPKEEP = "Upkeep"
"""Headings of the help, by purpose."""

app = typer.Typer(
    name="wgan",
    help="Retrain, judge, register, promote and serve a Wasserstein GAN.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(rich_help_panel=SERVERS)(stack.up)
app.command(rich_help_panel=SERVERS)(stack.down)
app.command(rich_help_panel=SERVERS)(stack.status)
app.command("open", rich_help_panel=SERVERS)(stack.open_)
app.command(rich_help_panel=SERVERS)(doctor.doctor)
app.add_typer(data.app, name="data", rich_help_panel=TRAINING)
app.command(rich_help_panel=TRAINING)(retrain.retrain)
app.command(rich_help_panel=TRAINING)(retrain.presets)
app.command(rich_help_panel=JUDGING)(models.models)
app.command(rich_help_panel=JUDGING)(evaluate.evaluate)
app.command(rich_help_panel=JUDGING)(compare.compare)
app.command(rich_help_panel=PRODUCTION)(promote.promote)
app.command(rich_help_panel=PRODUCTION)(promote.approve)
app.command(rich_help_panel=PRODUCTION)(promote.refuse)
app.command(rich_help_panel=PRODUCTION)(promote.rollback)
app.command(rich_help_panel=TRAINING)(study.study)
app.command(rich_help_panel=PRODUCTION)(serve.serve)
app.command(rich_help_panel=UPKEEP)(backup.backup)
app.command(rich_help_panel=UPKEEP)(backup.restore)
app.command(rich_help_panel=UPKEEP)(housekeeping.housekeeping)
app.add_typer(schedule.app, name="schedule", rich_help_panel=OPERATIONS)
app.command(rich_help_panel=OPERATIONS)(worker.worker)
app.command(rich_help_panel=OPERATIONS)(listen.listen)
app.command(rich_help_panel=OPERATIONS)(runs.runs)
app.command(rich_help_panel=OPERATIONS)(runs.logs)
app.command(rich_help_panel=UPKEEP)(init_env.init_env)


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Retrain, judge, register, promote and serve a Wasserstein GAN."""
    if version:
        print(f"wgan {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
    elif not {"-h", "--help"} & set(sys.argv):
        normalise_proxies(os.environ)


def main() -> None:
    """Run the command line and end the process with its exit code.

    0: done; 1: something outside failed (`WganError`) or a bug; 2: a usage mistake; 3: the gate refused;
    130: Ctrl-C. Each prints one sentence on standard error, with a traceback only when `WGAN_DEBUG=1`.
    """
    sys.exit(run())


def run() -> int:
    """Run the command line on `sys.argv`; returns the exit code."""
    accept_every_letter()
    use_printable_records()
    try:
        code = app(standalone_mode=False, prog_name="wgan")
        sys.stdout.flush()
    except typer.TyperException as error:
        if error.format_message():  # else the help was shown
            _complain(_usage_sentence(error))
        return error.exit_code
    except WganError as error:
        _complain(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted.")
        return 130
    except BrokenPipeError:  # the reader of standard output closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None and error.strerror:
            _complain(_disk_sentence(error))
            return 1
        from wgan.commands.crash import keep_traceback
        from wgan.commands.extras import explain_missing

        if isinstance(error, ModuleNotFoundError) and (sentence := explain_missing(error)):
            _complain(sentence)
            return 1
        path = keep_traceback(error)
        _complain(f"unexpected {type(error).__name__}: {error}; please report it with the traceback in {path}.")
        return 1
    return code if isinstance(code, int) else 0


def _disk_sentence(error: OSError) -> str:
    return (
        f"{error.filename} cannot be used ({error.strerror}): make it readable and writable and see that there is "
        "room, or set WGAN_HOME, or WGAN_CACHE_DIR for caches alone, to another folder."
    )


def _usage_sentence(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip()
    return f"{message.rstrip('.')} (see `{context.command_path} --help`)." if context else message


def _complain(sentence: str) -> None:
    if os.environ.get("WGAN_DEBUG") == "1":
        traceback.print_exc()
    first = sentence.split(maxsplit=1)[0] if sentence.strip() else ""
    # A sentence may start with a name, as in `training.lr=0 is not allowed`: keep its case.
    plain = first.rstrip(".,:;").isalpha()
    print(printable_lines(sentence[:1].upper() + sentence[1:] if plain else sentence), file=sys.stderr)


if __name__ == "__main__":
    main()
