"""Whatever is done in whatever order, the dataset holds what a plain model in memory holds."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headwater.versions import checksums
from headwater.versions.errors import Conflicts, NothingToCommit, RefExists, RevisionNotFound
from tests.unit.versions import cases

EXAMPLES = int(os.environ.get("HEADWATER_DATASET_EXAMPLES", "5"))
PATHS = st.sampled_from(["a", "b", "c/d"])
TEXTS = st.one_of(st.none(), st.sampled_from(["1", "2", "3"]))
BRANCHES = st.sampled_from(["main", "x"])
SUMS = {text: checksums.of([text.encode()]) for text in "0123"}


class Datasets(RuleBasedStateMachine):
    """A dataset beside dicts: commits are contents with parents, branches and tags are numbers of commits."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = cases.world()
        self.world = self.opened.__enter__()
        self.contents: list[dict[str, str]] = []
        self.parents: list[tuple[int, ...]] = []
        self.ids: list[str] = []
        self.branches: dict[str, int] = {}
        self.tags: dict[str, int] = {}
        self.logs: dict[str, list[str]] = {"main": [], "x": []}

    def teardown(self) -> None:
        self.opened.__exit__(None, None, None)

    @initialize()
    def begin(self) -> None:
        self.world.stage({"a": "0", "b": "0"})
        self.made("main", self.world.data.commit("first").id, {"a": "0", "b": "0"}, ())

    def made(self, branch: str, name: str, content: dict[str, str], parents: tuple[int, ...]) -> None:
        self.contents.append(content)
        self.parents.append(parents)
        self.ids.append(name)
        self.point(branch, len(self.ids) - 1)

    def point(self, branch: str, number: int) -> None:
        self.branches[branch] = number
        self.logs[branch].append(self.ids[number])

    def ancestors(self, number: int) -> set[int]:
        return {number}.union(*(self.ancestors(parent) for parent in self.parents[number]))

    @rule(branch=BRANCHES, path=PATHS, text=TEXTS)
    def commit(self, branch: str, path: str, text: str | None) -> None:
        if branch not in self.branches:
            return
        head = self.branches[branch]
        content = {key: value for key, value in {**self.contents[head], path: text}.items() if value is not None}
        self.world.tick()
        edit = (path, None)
        if text is not None:
            key = f"any/{path}"
            version = self.world.s3.put_object(Bucket=cases.LAKE, Key=key, Body=text.encode())["VersionId"]
            edit = (path, self.world.data.pin("s3://lake/any", path, version))  # type: ignore[assignment]
        if text is None and path not in self.contents[head]:
            with pytest.raises(NothingToCommit):
                self.world.data.commit("x", branch=branch, edits=[edit])
            return
        done = self.world.data.commit(f"{path}={text}", branch=branch, edits=[edit])
        self.made(branch, done.id, content, (head,))

    @rule(at=st.integers(0, 30))
    def branch(self, at: int) -> None:
        number = at % len(self.ids)
        if "x" in self.branches:
            with pytest.raises(RefExists):
                self.world.data.create_branch("x", self.ids[number])
        elif self.known(number):
            self.world.data.create_branch("x", self.ids[number])
            self.point("x", number)

    @rule()
    @precondition(lambda self: "x" in self.branches)
    def delete_branch(self) -> None:
        self.world.data.delete_ref("x")
        del self.branches["x"]
        self.logs["x"].append("")

    @rule(at=st.integers(0, 30))
    def tag(self, at: int) -> None:
        number = at % len(self.ids)
        name = f"t{len(self.tags)}"
        if self.known(number):
            self.world.data.tag(name, self.ids[number])
            self.tags[name] = number

    @rule(branch=BRANCHES, at=st.integers(0, 30))
    def reset(self, branch: str, at: int) -> None:
        number = at % len(self.ids)
        if branch in self.branches and self.known(number):
            self.world.data.reset(self.ids[number], branch=branch)
            self.point(branch, number)

    @rule(into=BRANCHES, strategy=st.sampled_from([None, "ours", "theirs"]))
    @precondition(lambda self: len(self.branches) == 2)
    def merge(self, into: str, strategy: Any) -> None:
        source = "x" if into == "main" else "main"
        ours, theirs = self.branches[into], self.branches[source]
        before, after = self.ancestors(ours), self.ancestors(theirs)
        if theirs in before:
            with pytest.raises(NothingToCommit):
                self.world.data.merge(source, into=into)
        elif ours in after:
            self.world.data.merge(source, into=into)
            self.point(into, theirs)
        else:
            common = before & after
            best = [one for one in common if not any(one in self.ancestors(other) - {other} for other in common)]
            content, conflicts = self.merged([self.contents[base] for base in best], ours, theirs, strategy)
            if conflicts and strategy is None:
                with pytest.raises(Conflicts) as raised:
                    self.world.data.merge(source, into=into)
                assert raised.value.paths == tuple(sorted(conflicts))
                return
            done = self.world.data.merge(source, into=into, strategy=strategy)
            assert done.conflicts == tuple(sorted(conflicts))
            self.made(into, done.id, content, (ours, theirs))

    def merged(
        self, bases: list[dict[str, str]], ours: int, theirs: int, strategy: str | None
    ) -> tuple[dict[str, str], set[str]]:
        mine, other = self.contents[ours], self.contents[theirs]
        content, conflicts = {}, set()
        for path in mine.keys() | other.keys():
            left, right = mine.get(path), other.get(path)
            # By content: the same text under two pins is the same.
            verdicts = {
                right if left == base.get(path) else left if right == base.get(path) else "?" for base in bases or [{}]
            }
            if left == right:
                chosen = left
            elif len(verdicts) == 1 and "?" not in verdicts:
                chosen = verdicts.pop()
            else:
                conflicts.add(path)
                chosen = right if strategy == "theirs" else left
            if chosen is not None:
                content[path] = chosen
        return content, conflicts

    @rule()
    def collect(self) -> None:
        self.world.pass_time(days=8)
        self.world.versions.gc(dry_run=False)
        self.world.restart()

    def known(self, number: int) -> bool:
        """Whether a commit still has a name; one that doesn't may have been taken."""
        heads = [*self.branches.values(), *self.tags.values()]
        if any(number in self.ancestors(head) for head in heads):
            return True
        try:
            self.world.data.resolve(self.ids[number])
        except RevisionNotFound:
            return False
        return True

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        for kind, refs in (("branch", self.branches), ("tag", self.tags)):
            assert {ref.name: ref.commit for ref in self.world.data.refs() if ref.kind == kind} == {
                name: self.ids[number] for name, number in refs.items()
            }
        for number in self.branches.values():
            found = {entry.path: entry.content for entry in self.world.data.files(self.ids[number])}
            assert found == {path: (1, "SHA256", SUMS[text]) for path, text in self.contents[number].items()}
        for name, log in self.logs.items():
            assert [move.to or "" for move in self.world.data.moves(name)] == log


TestDatasets = Datasets.TestCase
TestDatasets.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
