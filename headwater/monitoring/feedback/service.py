"""Takes what end users say of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headwater.clock import Clock, utc_now
from headwater.monitoring.feedback.errors import FeedbackConflict, FeedbackFull, TokenRefused
from headwater.monitoring.feedback.requests import Given, fields_of, given_by
from headwater.monitoring.feedback.store import FeedbackStore
from headwater.monitoring.feedback.types import KIND, Feedback
from headwater.serving.feedback.tokens import Held, Verifier

MOST_ENTRIES = 100
"""The limit of one prediction, of all authors together: whoever holds a token can call himself by any name."""
REFUSED = "the token isn't one of this prediction, or it has expired"


@dataclass(frozen=True)
class FeedbackService:
    """Checks tokens and keeps what their holders say."""

    store: FeedbackStore
    verifier: Verifier
    now: Clock = utc_now

    def take(self, prediction_id: str, body: bytes) -> tuple[Feedback, bool]:
        """Keep what a body says of a prediction; with it whether it is new.

        An entry whose ``write_id`` came before is known, and without one an entry that repeats its author's last one.
        Anything else replaces the author's last one. What was said before stays.

        Raises
        ------
        TokenRefused
            By the same words whatever is wrong with the token.
        InvalidFeedback, FeedbackTooLarge, FeedbackConflict, FeedbackFull
        """
        fields = fields_of(body)
        held = self.verifier.verify(fields["token"], prediction_id)
        if held is None:
            raise TokenRefused(REFUSED)
        return self._keep(prediction_id, held, given_by(fields))

    def _keep(self, prediction_id: str, held: Held, given: Given) -> tuple[Feedback, bool]:
        day = held.asked.date()
        while True:
            history = self.store.of_prediction(held.model, day, prediction_id)
            feedback = Feedback(
                prediction_id=prediction_id,
                model=held.model,
                day=day,
                author=given.author,
                sequence=1 + sum(one.author == given.author and one.kind == KIND for one in history),
                verdict=given.verdict,
                corrected=given.corrected,
                comment=given.comment,
                write_id=given.write_id,
                received_at=self.now(),
            )
            if (known := _known(history, feedback)) is not None:
                return known, False
            if len(history) >= MOST_ENTRIES:
                raise FeedbackFull(f"{MOST_ENTRIES} entries on prediction {prediction_id} are kept, and no more")
            if not history:
                self.store.place_at(feedback)
            # Somebody else may have taken the place, or this very write had come through and its answer was lost:
            # what is there now tells.
            if self.store.add(feedback):
                return feedback, True


def _known(history: Sequence[Feedback], feedback: Feedback) -> Feedback | None:
    if feedback.write_id is not None:
        for one in history:
            if one.write_id == feedback.write_id:
                if not one.says_the_same(feedback):
                    raise FeedbackConflict("write_id: came before with other words, expected a new one for each entry")
                return one
        return None
    of_author = [one for one in history if one.author == feedback.author and one.kind == feedback.kind]
    last = of_author[-1] if of_author else None
    return last if last is not None and last.says_the_same(feedback) else None
