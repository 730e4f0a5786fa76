"""``tidemill backup``: a verified copy of the history, beside the load."""

from pathlib import Path

from tidemill.cli.documents import print_document
from tidemill.cli.invocation import Invocation
from tidemill.cli.phrasing import counted, duration, size, without_password
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import JSON, FilePath, argument, option, verb
from tidemill.domain.errors import Refused


@verb(
    "backup",
    argument("file", metavar="FILE", kind=FilePath()),
    option("--force", is_flag=True, help="Replace FILE where it exists."),
    JSON,
    examples=[
        ("tidemill backup /srv/backup/history.db", "the daemon goes on meanwhile"),
        ('tidemill backup "history-$(date +%F).db"', "one a day, from a flow or from cron"),
        ("tidemill backup latest.db --force --json", "replace the last one; rows and size for a script"),
    ],
)
def command(invocation: Invocation, file: Path, force: bool, as_json: bool) -> None:
    """Copy the history to a file, and verify the copy.

    It needs no daemon and disturbs none: the copy is one moment of the history. To restore it, stop the daemon, put
    the file in the place of history.db, start the daemon; younger runs come back from their journals.
    """
    places = invocation.settings.places
    if places.database_url is not None and not places.database_url.startswith("sqlite"):
        raise Refused(
            "the history is in PostgreSQL, which has a tool of its own for this: "
            f"pg_dump --format=custom --file={file} {_for_pg_dump(places.database_url)}"
        )
    from tidemill.history.backup import back_up

    if not invocation.has_history:
        _ = invocation.reader  # says what is missing
    made = back_up(_source(invocation), file.absolute(), force=force)
    if as_json:
        document = {"file": str(made.path), "size": made.size, "runs": made.rows.get("runs", 0)}
        print_document(document | {"rows": dict(made.rows), "schema": made.schema, "duration": made.seconds})
        return
    runs = counted(made.rows.get("runs", 0), "run")
    say(f"{neutral(made.path)}: {runs}, {size(made.size)}, verified, in {duration(made.seconds)}")


def _source(invocation: Invocation) -> Path:
    """Return the file of the history."""
    url = invocation.settings.places.database_url
    return invocation.paths.database if url is None else Path(url.partition(":///")[2].partition("?")[0])


def _for_pg_dump(url: str) -> str:
    """Return the URL as pg_dump takes it: without SQLAlchemy's word for the driver, and without the password."""
    scheme, separator, rest = without_password(url).partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest.replace(':***@', '@')}"
