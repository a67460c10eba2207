"""The side of the task protocol that people meet: rows as they give them, and answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from core.data.lake.layout import ROW_ID
from core.errors import UsageError
from core.tasks.answer_table import row_of, schema_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.data.lake.view import View

    Array: TypeAlias = np.ndarray[Any, Any]


class Answering(ABC):
    """What a task makes of rows that somebody asks about, and of what its model says of them.

    Nothing here needs torch: shells, services and screens ask through it.
    """

    name: ClassVar[str]
    gives: ClassVar[str]
    """What one of its `answers` is: label, labels, number, text, boxes or forecast."""
    gathers: ClassVar[bool] = False
    """Whether rows are answered together, such as the past of a series, and not each by itself:
    then `part_of` and `latest` say which."""

    talks: ClassVar[bool] = False
    """Whether its models go on with a text (`Task.generation`), and so are talked with."""

    columns: tuple[str, ...]
    """Input columns, in the order in which `encode` reads them."""
    target: str

    @abstractmethod
    def answers(self, found: Array) -> list[Any]:
        """One answer an example, as JSON values, made of what `solve` gave.

        A number; {"label", "score", "scores": {label: probability}}; {"labels", "scores"};
        {"text"}; {"boxes": [{"label", "score", "box": [left, top, right, bottom]}]}; {"values",
        "times"}.
        """

    @property
    def answer_schema(self) -> pa.Schema:
        """The columns of an answer in a table, "prediction" first, by what the task `gives`.

        Where rows are answered together (`gathers`) each is a list, with an entry for each row to
        come; no column is called as one of `keys` then.
        """
        return schema_of(self.gives, getattr(self, "labels", ()))

    def tabulate(self, answers: Sequence[Any]) -> pa.Table:
        """`answers` as columns, a row each; of None, for an answer there is not, a row of nulls."""
        import pyarrow as pa

        rows = [{} if each is None else row_of(self.gives, each) for each in answers]
        return pa.Table.from_pylist(rows, schema=self.answer_schema)

    def answers_in_bulk(self, found: Array) -> pa.Table:
        """The answers of `found` as `tabulate` has them.

        Of very many rows an object for each takes longer than the model does: a task whose answers
        are numbers makes the columns of arrays.
        """
        return self.tabulate(self.answers(found))

    def truth(self, cell: object) -> Any:
        """The target of a row in the form of an answer, for a person to compare; None without."""
        return cell

    def row(self, given: object) -> dict[str, Any]:
        """A row from what a person gave: a mapping of columns, or whatever else the task can read.

        Raises:
            UsageError: it cannot be read as a row.
        """
        if isinstance(given, Mapping):
            return dict(given)
        raise UsageError(
            f"{self.name} reads rows of named columns, not {type(given).__name__}",
            hint=f"Give the columns {', '.join(self.columns)}.",
        )

    def part_of(self, row: Mapping[str, Any]) -> str | None:
        """What a row is only a part of, by name, where rows are answered together; None: it is
        whole."""
        return None

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that say what a row is a part of, where rows are answered together."""
        return ()

    def latest(self, view: View, split: str | None = None) -> list[int]:
        """The ids of the rows by which a data set, or a split, is answered as a whole, where rows
        are answered together."""
        return []

    def look_up(self, view: View, ids: Sequence[int]) -> dict[int, tuple[dict[str, Any], Any]]:
        """Rows of a data set by id, as they are to be answered, each with its truth (None: it is
        not known). Unknown ids are left out.

        Raises:
            UsageError: a column is missing.
        """
        known = [self.target] if self.target in view.version.column_names else []
        return {
            row[ROW_ID]: (
                {name: row[name] for name in self.columns},
                self.truth(row.get(self.target)),
            )
            for row in view.rows(ids, [*self.columns, *known])
        }
