"""Tracing the columns of a query through its parts, on sqlglot's scopes (`headwater.lineage.openlineage.columns`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope, traverse_scope

from headwater.lineage.openlineage.columns import ColumnLineage, InputColumn, Transformation
from headwater.lineage.openlineage.errors import ColumnsUnknown

Found = dict[InputColumn, None]
"""Input columns in the order in which they were found."""
Outputs = list[tuple[str, Found]]
"""A query's columns in order."""
_CLAUSES: Mapping[str, Transformation] = {
    "where": Transformation.FILTER,
    "having": Transformation.FILTER,
    "qualify": Transformation.FILTER,
    "group": Transformation.GROUP_BY,
    "order": Transformation.SORT,
    "distinct": Transformation.SORT,
    "limit": Transformation.FILTER,
    "offset": Transformation.FILTER,
}


def trace(sql: str, tables: Mapping[str, Sequence[str]]) -> ColumnLineage:
    """The column lineage of a query over ``tables``; see `headwater.lineage.openlineage.columns.query_columns`."""
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
        _refuse(tree)
        spelling = _spelling(tree, tables)
        scope = build_scope(qualify(tree, dialect="duckdb", schema=_schema(tree, tables)))
    except (SqlglotError, RecursionError) as error:
        raise ColumnsUnknown(f"its SQL can't be traced: {' '.join(str(error).split())[:300]}") from error
    if scope is None:
        raise ColumnsUnknown("its SQL is no SELECT, so there are no columns to trace")
    tracing = _Tracing({name.lower(): name for name in tables}, spelling)
    outputs = tracing.outputs(scope)
    fields = {spelling.get(name, name): _ordered(found) for name, found in outputs}
    return ColumnLineage(fields, _ordered(tracing.deciding(scope)))


def _ordered(found: Found) -> tuple[InputColumn, ...]:
    return tuple(sorted(found, key=lambda one: (not one.transformation.is_direct, one)))


def _refuse(tree: Any) -> None:
    """Raise `ColumnsUnknown` for what can't be traced, or would be traced wrongly."""
    if not isinstance(tree, exp.Query) or tree.args.get("into") is not None:
        raise ColumnsUnknown("its SQL is no SELECT, so there are no columns to trace")
    if tree.find(exp.Pivot) is not None:
        raise ColumnsUnknown("its SQL has a PIVOT or UNPIVOT, whose columns depend on the rows")
    if tree.find(exp.Columns) is not None:
        raise ColumnsUnknown("its SQL takes COLUMNS of a pattern: name the columns")
    if any(lateral.find(exp.Query) for lateral in tree.find_all(exp.Lateral)):
        raise ColumnsUnknown("its SQL has a LATERAL query: write it as a join, or as a query in the SELECT list")
    for table in tree.find_all(exp.Table):
        if table.catalog or table.db.lower() not in {"", "main"}:
            raise ColumnsUnknown(f"its SQL reads {table.sql(dialect='duckdb')}, which is none of its sources")


def _schema(tree: Any, tables: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """The tables' columns; of tables whose columns aren't known, the names that the query has."""
    schema: dict[str, object] = {name: dict.fromkeys(columns, "UNKNOWN") for name, columns in tables.items() if columns}
    unknown = {name.lower(): name for name, columns in tables.items() if not columns}
    if not unknown:
        return schema
    for scope in traverse_scope(tree):
        read = {source.name.lower() for source in scope.sources.values() if isinstance(source, exp.Table)}
        if read & set(unknown) and any(one.is_star for one in getattr(scope.expression, "selects", ())):
            raise ColumnsUnknown("its SQL takes * of a table whose columns aren't known here")
    elsewhere = {name.lower() for columns in tables.values() for name in columns}
    elsewhere |= {alias.alias.lower() for alias in tree.find_all(exp.Alias)}
    named = {one.name for one in tree.find_all(exp.Column) if one.table or one.name.lower() not in elsewhere}
    return schema | {name: dict.fromkeys(sorted(named), "UNKNOWN") for name in unknown.values()}


def _spelling(tree: Any, tables: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Names as they were written: DuckDB keeps, and sqlglot lowers, their case."""
    names = [name for columns in tables.values() for name in columns]
    names += [alias.alias for alias in tree.find_all(exp.Alias)]
    if not names or any(not columns for columns in tables.values()):
        names = [*(column.name for column in tree.find_all(exp.Column)), *names]
    return {name.lower(): name for name in names}


class _Tracing:
    """Follows columns from scope to scope down to the tables; each scope is looked at once."""

    def __init__(self, tables: Mapping[str, str], spelling: Mapping[str, str]) -> None:
        self._tables, self._spelling = tables, spelling
        self._outputs: dict[int, Outputs] = {}

    def outputs(self, scope: Any) -> Outputs:
        """The scope's columns in order, each with what it is made from."""
        if id(scope) in self._outputs:
            return self._outputs[id(scope)]
        # A recursive query reads itself: what it starts from stands for all of it.
        self._outputs[id(scope)] = []
        if scope.set_operation_scopes:
            first, second = (self.outputs(branch) for branch in scope.set_operation_scopes)
            made = _both(first, second, by_name=bool(scope.expression.args.get("by_name")))
        else:
            made = [(one.alias_or_name.lower(), self._made_from(scope, one)) for one in scope.expression.selects]
            if any(isinstance(one, exp.Star) or one.is_star for one in scope.expression.selects):
                raise ColumnsUnknown("its SQL takes * of a table whose columns aren't known here")
        self._outputs[id(scope)] = made
        return made

    def deciding(self, scope: Any) -> Found:
        """Columns that decide about all rows of the scope, and of those that it reads."""
        found: Found = {}
        seen: set[int] = set()
        self._collect(scope, found, seen)
        return found

    def _collect(self, scope: Any, found: Found, seen: set[int]) -> None:
        if id(scope) in seen:
            return
        seen.add(id(scope))
        for clause, kind in _CLAUSES.items():
            if isinstance(part := scope.expression.args.get(clause), exp.Expression):
                found.update(self._as(kind, self._of_clause(scope, part, clause)))
        if _drops_rows_alike(scope.expression):
            alike = (column for _, made in self.outputs(scope) for column in made)
            found.update(self._as(Transformation.GROUP_BY, alike))
        for join in scope.expression.args.get("joins") or ():
            if (condition := join.args.get("on")) is not None:
                found.update(self._as(Transformation.JOIN, self._columns(scope, condition)))
        for inner in (*scope.set_operation_scopes, *_read_by(scope), *scope.subquery_scopes):
            self._collect(inner, found, seen)

    def _of_clause(self, scope: Any, part: Any, clause: str) -> Found:
        plain: list[Any] = []
        if clause == "group" and part.args.get("all"):
            plain = [one for one in scope.expression.selects if not one.find(exp.AggFunc)]
        return {
            **self._columns(scope, part),
            **{column: None for one in plain for column in self._made_from(scope, one)},
        }

    def _as(self, kind: Transformation, columns: Iterable[InputColumn]) -> Found:
        return {InputColumn(source, column, kind): None for source, column, _ in columns}

    def _columns(self, scope: Any, part: Any) -> Found:
        """The columns that a clause reads, also through queries within it."""
        found = {column: None for one in _own_columns(part) for column in self._origin(scope, one)}
        for inner in scope.subquery_scopes:
            if _is_within(inner.expression, part):
                found.update({one: None for _, made in self.outputs(inner) for one in made})
        return found

    def _made_from(self, scope: Any, output: Any) -> Found:
        """The columns that an expression of the SELECT list is made from."""
        expression = output.unalias()
        if any(not isinstance(star.parent, exp.Count) for star in expression.find_all(exp.Star, exp.TableColumn)):
            raise ColumnsUnknown(f"its SQL takes a whole row by {expression.sql(dialect='duckdb')}: name the columns")
        found: Found = {}
        for column in _own_columns(expression):
            way = _way(column, expression)
            found.update({one._replace(transformation=_joined(way, one)): None for one in self._origin(scope, column)})
        named = {window.name: window for window in scope.expression.args.get("windows") or ()}
        for window in expression.find_all(exp.Window):
            if window.alias in named:
                found.update(self._as(Transformation.WINDOW, self._columns(scope, named[window.alias])))
        for inner in scope.subquery_scopes:
            if _is_within(inner.expression, expression):
                way = _way(inner.expression, expression)
                for _, made in self.outputs(inner):
                    found.update({one._replace(transformation=_joined(way, one)): None for one in made})
        return found

    def _origin(self, scope: Any, column: exp.Column) -> Found:
        """The columns of tables that a column is, or is made from."""
        if not column.table:
            # An alias of the same SELECT, as DuckDB lets the other clauses name it.
            return dict(next((found for name, found in self._outputs.get(id(scope), ()) if name == column.name), {}))
        holder = scope
        while holder is not None and column.table not in holder.sources:
            holder = holder.parent
        if holder is None:
            raise ColumnsUnknown(f"its SQL names {column.sql(dialect='duckdb')}, which isn't traced")
        source = holder.sources[column.table]
        if isinstance(source, exp.Table):
            name = source.name.lower()
            if name not in self._tables:
                raise ColumnsUnknown(f"its SQL reads {source.sql(dialect='duckdb')}, which is none of its sources")
            spelt = self._spelling.get(column.name, column.name)
            return {InputColumn(self._tables[name], spelt, Transformation.IDENTITY): None}
        if isinstance(source.expression, exp.UDTF):
            # UNNEST and LATERAL make rows from columns of what stands beside them.
            inner = _own_columns(source.expression)
            origins = [one for made in inner for one in self._origin(source.parent or holder, made)]
            return {one._replace(transformation=_joined(Transformation.TRANSFORMATION, one)): None for one in origins}
        return dict(next((found for name, found in self.outputs(source) if name == column.name), {}))


def _both(first: Outputs, second: Outputs, *, by_name: bool) -> Outputs:
    """The columns of a UNION or its like, which go by their places, or by their names."""
    if by_name:
        joined = {name: dict(found) for name, found in first}
        for name, found in second:
            joined.setdefault(name, {}).update(found)
        return list(joined.items())
    return [(name, {**one, **other}) for (name, one), (_, other) in zip(first, second, strict=False)]


def _drops_rows_alike(query: Any) -> bool:
    """True for SELECT DISTINCT of whole rows, and for a UNION, EXCEPT or INTERSECT without ALL."""
    distinct = query.args.get("distinct")
    if isinstance(distinct, exp.Distinct):
        return distinct.args.get("on") is None
    return bool(distinct) or isinstance(query, exp.Except | exp.Intersect)


def _read_by(scope: Any) -> Iterator[Any]:
    """The scopes that a scope selects from, or only joins to leave rows out."""
    names = {*scope.selected_sources, *scope.semi_or_anti_join_tables}
    for source in (*(scope.sources[name] for name in names if name in scope.sources), *scope.derived_table_scopes):
        if isinstance(source, Scope) and isinstance(source.expression, exp.Query):
            yield source


def _own_columns(part: Any) -> Iterator[exp.Column]:
    """The columns of an expression without those of queries within it."""
    for node in part.walk(prune=lambda one: one is not part and isinstance(one, exp.Query)):
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            yield node


def _is_within(node: Any, expression: Any) -> bool:
    while node is not None and node is not expression:
        node = node.parent
    return node is not None


def _way(node: Any, expression: Any) -> Transformation:
    """The way from a part of an expression to its value."""
    way = Transformation.IDENTITY
    while node is not expression:
        above = node.parent
        if isinstance(above, exp.Window) and node.arg_key in {"partition_by", "order"}:
            return Transformation.WINDOW
        if isinstance(above, exp.Order) and node.arg_key == "expressions" and not isinstance(above.parent, exp.Window):
            return Transformation.SORT
        if _decides(node, above):
            return Transformation.CONDITIONAL
        if isinstance(above, exp.AggFunc):
            way = Transformation.AGGREGATION
        elif way is Transformation.IDENTITY and not isinstance(above, exp.Paren | exp.Subquery | exp.Order):
            way = Transformation.TRANSFORMATION
        node = above
    return way


def _decides(node: Any, above: Any) -> bool:
    """True for what only chooses among values: the condition of CASE and IF, the FILTER of an aggregation."""
    if isinstance(above, exp.If):
        return bool(node.arg_key == "this")
    if isinstance(above, exp.Filter):
        return bool(node.arg_key == "expression")
    return isinstance(above, exp.Case) and node.arg_key == "this"


def _joined(outer: Transformation, inner: InputColumn) -> Transformation:
    """The way through two steps: what decides only decides, and the stronger change counts."""
    order = [Transformation.IDENTITY, Transformation.TRANSFORMATION, Transformation.AGGREGATION]
    for way in (outer, inner.transformation):
        if not way.is_direct:
            return way
    return max(outer, inner.transformation, key=order.index)
