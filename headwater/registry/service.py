"""The registry's verbs: register a candidate, move an alias, say what an alias points at and how it came to."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any, Protocol, Self

from headwater.registry.errors import (
    AliasMoved,
    AliasNotFound,
    ChampionMoved,
    LeakSuspected,
    ModelNotRegistered,
    NothingToRollBackTo,
    RegistryBusy,
    VersionNotFound,
    VersionNotReady,
)
from headwater.registry.types import AliasMove, Candidate, ModelVersion, Status
from headwater.storage.clients import Clients
from headwater.storage.pointers import Last, LoggedPointer, Proposal
from headwater.storage.retries import tries
from headwater.storage.stamped import StampedTable
from headwater.storage.table import ABSENT, Scalar, Table, WriteRefused

PRODUCTION, STAGING = "production", "staging"
_TRIES = 12
_NAMES = "MODEL#"


class RegistrySettings(Protocol):
    """The settings that a `Registry` needs."""

    @property
    def registry_table(self) -> str:
        """The registry's DynamoDB table."""


class Registry(StampedTable):
    """Versions of models and the aliases that say which one serves.

    Versions never change once registered; aliases do, each move in one transaction with its log entry. Every write
    carries an id of its own, so a writer whose answer was lost finds out by reading instead of guessing.
    """

    @classmethod
    def from_settings(cls, settings: RegistrySettings, clients: Clients) -> Self:
        """The registry in the table that ``settings`` name."""
        return cls(Table(settings.registry_table, clients))

    # -- versions -----------------------------------------------------------------------------------------------

    def register(
        self, candidate: Candidate, *, commit: str | None = None, still_champion: bool = False
    ) -> ModelVersion:
        """Give ``candidate`` the model's next number, READY if it passed everything and REJECTED with reasons if not.

        A run's judgement is registered once: doing it again, also after a lost answer, gives the version it already
        has. A run that was judged anew, against another champion, becomes a version of its own.

        Parameters
        ----------
        candidate : Candidate
        commit : str, optional
            Id of the commit that holds the candidate's files.
        still_champion : bool
            Whether the candidate may only be registered while the version that it was judged against serves.

        Raises
        ------
        ChampionMoved
            With ``still_champion``: another version serves by now. Nothing was registered; judge it anew.
        RegistryBusy
            Other writers kept coming first.
        """
        for _ in tries(_TRIES, self._pause):
            # Read once: a run that another registers after this look makes the write fail, not a second version.
            before = self._run(candidate)
            if known := self._known(candidate, before):
                return known
            if still_champion:
                self.check_champion(candidate)
            entry, writes = self._registering(candidate, commit, before, still_champion=still_champion)
            with suppress(WriteRefused):
                self._store.transact(writes)
                return entry
        if known := self.registered(candidate):
            return known
        raise RegistryBusy(f"run {candidate.run_id!r} of model {candidate.model!r} couldn't be registered: "
                           f"{_TRIES} times another writer came first")  # fmt: skip

    def registered(self, candidate: Candidate) -> ModelVersion | None:
        """The version that this judgement of the candidate's run became; None if it isn't registered."""
        return self._known(candidate, self._run(candidate))

    def _run(self, candidate: Candidate) -> dict[str, Any] | None:
        """The item that names the version of the candidate's run."""
        return self._store.get(f"MODEL#{candidate.model}", f"RUN#{candidate.run_id}")

    def _known(self, candidate: Candidate, run: dict[str, Any] | None) -> ModelVersion | None:
        version = self.version(candidate.model, run["version"]) if run else None
        return version if version and version.candidate.champion_version == candidate.champion_version else None

    def _registering(
        self, candidate: Candidate, commit: str | None, before: dict[str, Any] | None, *, still_champion: bool
    ) -> tuple[ModelVersion, list[dict[str, Any]]]:
        """The version that a candidate becomes next, and the writes that register it together or not at all.

        ``before`` is the run's item as it was when the run's version wasn't this judgement's.
        """
        store, pk, run = self._store, f"MODEL#{candidate.model}", f"RUN#{candidate.run_id}"
        counter = store.get(pk, "COUNTER")
        count = int(counter["count"]) if counter else 0
        entry = ModelVersion(
            model=candidate.model,
            version=count + 1,
            status=Status.REJECTED if candidate.failures else Status.READY,
            reasons=candidate.failures,
            registered_at=self._now(),
            candidate=candidate,
            commit=commit,
        )
        next_count: dict[str, Scalar] = {"pk": pk, "sk": "COUNTER", "count": entry.version}
        of_run: dict[str, Scalar] = {"pk": pk, "sk": run, "version": entry.version}
        writes = [
            store.put(next_count, only_if="#count = :count", count=count)
            if counter
            else store.put(next_count, only_if=ABSENT),
            store.put(_version_item(pk, entry), only_if=ABSENT),
            store.put(of_run, only_if="#version = :before", before=before["version"])
            if before
            else store.put(of_run, only_if=ABSENT),
            store.put({"pk": _NAMES, "sk": f"NAME#{entry.model}"}),
        ]
        if still_champion:
            alias, champion = f"ALIAS#{PRODUCTION}", candidate.champion_version
            writes.append(
                store.check(pk, alias, only_if=ABSENT)
                if champion is None
                else store.check(pk, alias, only_if="#to = :champion", champion=champion)
            )
        return entry, writes

    def check_champion(self, candidate: Candidate) -> None:
        """Raise `ChampionMoved` unless the version that the candidate was judged against serves."""
        current = self.current(candidate.model, PRODUCTION)
        if current != candidate.champion_version:
            raise ChampionMoved(
                f"run {candidate.run_id!r} of model {candidate.model!r} was judged against "
                f"{_words(candidate.champion_version)}, but {_words(current)} serves by now; nothing was registered"
            )

    def models(self) -> tuple[str, ...]:
        """The names of all models that have a version, sorted."""
        return tuple(item["sk"].removeprefix("NAME#") for item in self._store.query(_NAMES, "NAME#"))

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """All versions of ``model``, oldest first; raises `ModelNotRegistered` if there is none."""
        found = tuple(map(_version, self._store.query(f"MODEL#{model}", "VERSION#")))
        if not found:
            raise self._unknown_model(model)
        return found

    def version(self, model: str, number: int) -> ModelVersion:
        """Version ``number`` of ``model``; raises `ModelNotRegistered` or `VersionNotFound`."""
        item = self._store.get(f"MODEL#{model}", _version_key(number))
        if item is None:
            newest = self.versions(model)[-1].version
            raise VersionNotFound(f"model {model!r} has no version {number}; its versions are 1 to {newest}")
        return _version(item)

    # -- aliases ------------------------------------------------------------------------------------------------

    def aliases(self, model: str) -> dict[str, int]:
        """The version that each alias of ``model`` points at."""
        items = self._store.query(f"MODEL#{model}", "ALIAS#")
        return {item["sk"].removeprefix("ALIAS#"): item["to"] for item in items}

    def current(self, model: str, alias: str) -> int | None:
        """The version that ``alias`` points at, in one read; None if there is no such alias."""
        item = self._store.get(f"MODEL#{model}", f"ALIAS#{alias}")
        return item["to"] if item else None

    def resolve(self, model: str, alias: str) -> ModelVersion:
        """The version that ``alias`` points at.

        Raises
        ------
        ModelNotRegistered, AliasNotFound
            The message lists what there is.
        """
        current = self.current(model, alias)
        if current is None:
            newest = self.versions(model)[-1].version
            aliases = ", ".join(f"{name} -> {to}" for name, to in self.aliases(model).items()) or "none"
            raise AliasNotFound(f"model {model!r} has no alias {alias!r}. Aliases: {aliases}; versions: 1 to {newest}")
        return self.version(model, current)

    def promote(
        self,
        model: str,
        *,
        alias: str,
        to: int,
        expected: int | None,
        by: str = "",
        why: str = "",
        write_id: str | None = None,
        once: bool = False,
    ) -> AliasMove:
        """Point ``alias`` at version ``to`` if it still points at ``expected``.

        Parameters
        ----------
        model : str
            Registered model name.
        alias : str
            Alias to move, such as ``"production"``.
        to : int
            Version number; it must be READY.
        expected : int or None
            Version that the caller believes the alias points at; None if it should not exist yet.
        by, why : str
            Who moves it and for what; kept in the log.
        write_id : str, optional
            Names this move among all others. A caller that may be run twice for one decision (a retried task) passes
            the same id again and gets the move that was made; by default each call is a move of its own.
        once : bool
            Whether ``write_id`` is moved once for ever: a call that comes late, when others have moved the alias since
            (a person rolled it back), gets the old move and changes nothing.

        Returns
        -------
        AliasMove
            The move as logged: sequence number, before, to, who, when (UTC).

        Raises
        ------
        ModelNotRegistered
            The model has no version.
        VersionNotReady
            ``to`` doesn't exist or was rejected.
        LeakSuspected
            The version's score looks like a leak, and no ``why`` says why it may serve all the same.
        AliasMoved
            The alias points elsewhere by now. Nothing was changed; read it again and decide anew.
        """
        return self._move(model, alias, to, expected, by=by, why=why, write_id=write_id, once=once)

    def withdraw(self, model: str, *, alias: str, expected: int, by: str = "", why: str = "") -> AliasMove:
        """Take ``alias`` away if it still points at ``expected``; raises `AliasMoved` if not."""
        return self._move(model, alias, None, expected, by=by, why=why, write_id=None)

    def rollback(self, model: str, *, alias: str = PRODUCTION, by: str = "", why: str = "rollback") -> AliasMove:
        """Point ``alias`` back at the version before its last change; a second call undoes the first.

        A move to the version that served already (the same promotion made twice) is in the log and changed nothing.

        Raises
        ------
        AliasNotFound, NothingToRollBackTo, VersionNotReady, AliasMoved
            There is no alias, it was never moved, or somebody else moves it right now.
        """
        current = self.resolve(model, alias).version
        last = next((move for move in reversed(self.log(model, alias)) if move.before != current), None)
        if last is None or last.before is None:
            raise NothingToRollBackTo(f"{model}@{alias} points at version {current}, the first that its log knows")
        return self.promote(model, alias=alias, to=last.before, expected=current, by=by, why=why)

    def log(self, model: str, alias: str) -> tuple[AliasMove, ...]:
        """Every move of ``alias``, oldest first; empty if it never existed."""
        return tuple(map(_move, self._alias(model, alias).log()))

    def moves(self, model: str) -> tuple[AliasMove, ...]:
        """Every move of every alias of ``model``, by alias and time; also of aliases that were taken away."""
        return tuple(map(_move, self._store.query(f"MODEL#{model}", "LOG#")))

    def _move(
        self,
        model: str,
        alias: str,
        to: int | None,
        expected: int | None,
        *,
        by: str,
        why: str,
        write_id: str | None,
        once: bool = False,
    ) -> AliasMove:
        pk, write_id = f"MODEL#{model}", write_id or uuid.uuid4().hex
        pointer = self._alias(model, alias)

        def made(last: Last | None) -> dict[str, Any] | None:
            if last is not None and last.item["write_id"] == write_id:
                return pointer.entry(last.sequence)
            # It was made, its answer was lost, and somebody has decided anew since: theirs stays.
            return next((entry for entry in pointer.log() if entry["write_id"] == write_id), None) if once else None

        def propose(last: Last | None) -> Proposal:
            current = last.to if last else None
            if to is not None:
                self._check_ready(model, to)
                if alias != STAGING and not why.strip():
                    self._check_leaks(model, to)
            if current != expected:
                raise AliasMoved(
                    f"{model}@{alias} points at {_words(current)}, not at {_words(expected)} as expected; "
                    "nothing was changed",
                    next_steps=[f"headwater models show {model}"],
                )
            move = AliasMove(
                model=model, alias=alias, sequence=last.sequence + 1 if last else 1, before=current, to=to,
                at=self._now(), by=by, why=why, write_id=write_id,
            )  # fmt: skip
            ready = {"only_if": "#status = :ready", "ready": Status.READY.value}
            also = [] if to is None else [self._store.check(pk, _version_key(to), **ready)]
            return Proposal(entry=move.model_dump(mode="json"), fields={}, also=also)

        entry = pointer.move(propose, made=made, count=_TRIES)
        if entry is None:
            raise RegistryBusy(f"{model}@{alias} couldn't be moved: {_TRIES} times another writer came first")
        return _move(entry)

    def _alias(self, model: str, alias: str) -> LoggedPointer:
        return LoggedPointer(
            self._store, f"MODEL#{model}", f"ALIAS#{alias}", log=f"LOG#{alias}#", target="to", pause=self._pause
        )

    def _check_ready(self, model: str, number: int) -> None:
        try:
            version = self.version(model, number)
        except VersionNotFound as error:
            raise VersionNotReady(error.message) from error
        if version.status is not Status.READY:
            raise VersionNotReady(f"version {number} of model {model!r} was rejected: {'; '.join(version.reasons)}")

    def _check_leaks(self, model: str, number: int) -> None:
        if warnings := self.version(model, number).candidate.warnings:
            raise LeakSuspected(
                f"version {number} of model {model!r} isn't promoted without a reason: {'; '.join(warnings)}",
                next_steps=[f'headwater models promote {model} {number} --why "..."'],
            )

    def _unknown_model(self, model: str) -> ModelNotRegistered:
        known = ", ".join(self.models()) or "none"
        return ModelNotRegistered(f"no version of model {model!r} is registered. Registered: {known}")


def _version_key(number: int) -> str:
    return f"VERSION#{number:08d}"


def _version_item(pk: str, entry: ModelVersion) -> dict[str, Scalar]:
    return {
        "pk": pk,
        "sk": _version_key(entry.version),
        "version": entry.version,
        "status": entry.status.value,
        "run_id": entry.run_id,
        "document": entry.model_dump_json(),
    }


def _version(item: dict[str, Any]) -> ModelVersion:
    return ModelVersion.model_validate_json(item["document"])


def _move(item: dict[str, Any]) -> AliasMove:
    return AliasMove.from_item(item)


def _words(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"
