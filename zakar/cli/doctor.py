"""`zakar doctor`, and what `zakar load --dry-run` says: what a server offers, what a dataset needs, what lacks."""

from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from zakar import location
from zakar.broker.access import Access
from zakar.broker.account import Account
from zakar.cli import common
from zakar.cli.access import connects
from zakar.cli.common import Json, answer_lines, first_days, meter, run
from zakar.cli.printing import give, tell
from zakar.dataset import store
from zakar.dataset.layout import Split
from zakar.dataset.store import Dataset
from zakar.errors import ConfigError, MismatchError, ServerError
from zakar.loader.doctor import examine
from zakar.loader.findings import Findings, missing, notes, offer_rows, plan_lines, switches
from zakar.loader.load import choose
from zakar.loader.options import LoadOptions
from zakar.progress import counted
from zakar.stopping import until_stopped


@connects
def doctor_command(
    who: Access,
    where: Annotated[
        str | None, typer.Argument(metavar="[DIR]", help="A dataset, to see whether a load of it would fit.")
    ] = None,
    which: common.Which = Split.TRAIN,
    with_alerts: common.WithAlerts = False,
    days: common.Days = None,
    json: Json = False,
) -> None:
    """Say what a server offers, whether a dataset fits, what is missing, and the fix.

    Without DIR, whether the dataset's stations that are there can be read. Measures the link for about a second, with
    messages that go to no station. Nothing is created or changed.

    Example: `zakar doctor data/classic --server nats://127.0.0.1:4222`
    """
    of_a_dataset = {"--split holdout": which is Split.HOLDOUT, "--with-alerts": with_alerts, "--days": days is not None}
    given = ", ".join(option for option, is_given in of_a_dataset.items() if is_given)
    if where is None and given:
        raise ConfigError(f"{given}: of a dataset; give DIR, the dataset that is to be loaded, too")
    dataset = first_days(where, which, days) if where is not None else None
    tables = choose(dataset, None, answers=with_alerts) if dataset is not None else ()
    findings = _examined(who, dataset, LoadOptions(tables), "zakar doctor")
    plan, lines = findings.plan, missing(findings, dataset, where)
    readable = not (findings.unreadable or (plan is not None and plan.afterwards))
    if json:
        give(
            {
                "ok": not findings.offer.lacks and (plan is None or plan.ok) and readable,
                **_offer(findings, dataset),
                **load_report(findings),
                "missing": lines,
                "notes": notes(findings),
            }
        )
    else:
        _show(offer_rows(findings, with_messages=dataset is not None))
        _show_plan(findings, dataset, lines)
    refuse(findings, where)
    if findings.unreadable:
        raise MismatchError(f"{who.shown}: stations cannot be read; what is missing, and the fix, is said above")
    if plan is not None and plan.afterwards:
        raise MismatchError(
            f"{location.shown(where or '')}: can be loaded, but what is missing for the rest is said above"
        )


def rehearse(
    where: str,
    dataset: Dataset,
    who: Access,
    options: LoadOptions,
    *,
    json: bool,
) -> None:
    """Say what a load would do with each station, and raise what would keep it from being done."""
    findings = _examined(who, dataset, options, "zakar load --dry-run")
    lines = missing(findings, dataset, where, options.words)
    if json:
        ok = findings.plan is not None and findings.plan.ok
        head = {"dry_run": True, "ok": ok, "server": findings.offer.server, **_switches(findings)}
        give({**head, **load_report(findings), "missing": lines, "notes": notes(findings)})
    else:
        _show(switches(findings))
        _show_plan(findings, dataset, lines)
        if findings.plan is not None and findings.plan.ok:
            tell("nothing was created, changed or sent to a station")
    refuse(findings, where)


def _examined(who: Access, dataset: Dataset | None, options: LoadOptions, name: str) -> Findings:
    """Examine with a progress meter, for a dataset may have to be read whole."""
    with meter("reading rows") as show:
        watched = None if dataset is None else store.watched(dataset, counted(show, None))
        return run(lambda stop: until_stopped(examine(who, watched, options, name), stop))


def refuse(findings: Findings, where: str | None) -> None:
    """Raise what keeps a load from being done: ServerError without JetStream, MismatchError if it does not fit."""
    if findings.offer.lacks:
        raise ServerError(f"{findings.offer.server}: {findings.offer.lacks}")
    plan = findings.plan
    if plan is not None and not plan.ok:
        shown = location.shown(where or "")
        raise MismatchError(f"{shown}: cannot be loaded; what is missing, and the fix, is said above")


def _show_plan(findings: Findings, dataset: Dataset | None, missing_lines: list[str]) -> None:
    """Print what a load would do, what it leaves out, and what is missing."""
    console = Console(soft_wrap=True)
    lines = plan_lines(findings)
    lines += answer_lines(dataset, findings.left_out) if dataset is not None else []
    lines += [f"note: {line}" for line in notes(findings)]
    for line in (*lines, *(f"missing: {line}" for line in missing_lines)):
        console.print(line, markup=False, highlight=False)


def _show(rows: dict[str, str]) -> None:
    console = Console(soft_wrap=True)
    for name, text in rows.items():
        console.print(f"{name:12} {text}", markup=False, highlight=False)


def _switches(findings: Findings) -> dict[str, bool]:
    return {"batch": findings.batch, "compression": findings.offer.compressed}


def _offer(findings: Findings, dataset: Dataset | None) -> dict[str, Any]:
    offer = findings.offer
    return {
        "server": offer.server,
        "version": offer.version,
        "tls": offer.encrypted,
        "round_trip_seconds": offer.link.round_trip,
        "bytes_per_second": offer.link.rate,
        "messages_per_second": offer.link.messages if dataset is not None else None,
        "max_payload": offer.max_payload,
        "jetstream": offer.jetstream,
        "fast_ingest": offer.fast_ingest,
        "dedupe_header": offer.dedupe_header,
        "memphis_sdks": offer.header_bytes > 0,
        **_switches(findings),
        "account": None if offer.account is None else _account(offer.account),
    }


def _account(account: Account) -> dict[str, Any]:
    return {**msgspec.to_builtins(account), "left": account.left}


def load_report(findings: Findings) -> dict[str, Any]:
    """Return the keys that say what a load would do, none without a dataset."""
    plan = findings.plan
    if plan is None:
        return {}
    stations = {name: {**msgspec.to_builtins(o), "sends": o.sends} for name, o in plan.stations.items()}
    return {
        "stations": stations,
        "sends": plan.sends,
        "needs": plan.needs,
        "left": plan.left,
        "seconds": findings.seconds,
        "days_that_fit": findings.days_that_fit,
        "left_out": common.messages(findings.left_out),
        "readable": not plan.afterwards,
    }
