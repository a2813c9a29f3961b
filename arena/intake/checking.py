"""What a vote has to keep to, whatever file it comes from: the database would refuse it, and others with it."""

from math import isfinite

from arena.conversation import CHOICES
from arena.export.facts import side_of
from arena.intake.problems import LeftOut
from arena.store.votes import AnswerRecord, TurnRecord, VoteRecord

MODES = ("battle", "side_by_side")
STATES = ("done", "stopped")
LONGEST_NAME = 500
LONGEST_ID = 200
MOST_TOKENS = 100_000_000
MOST_VERSIONS = 1_000_000
MOST_MS = 1e12
YEARS = range(1970, 2200)


def check(vote: VoteRecord) -> None:
    """Raises `LeftOut` for a vote that cannot be kept."""
    for key in (vote.conversation_id, vote.voter_id):
        _demand(bool(key) and len(key) <= LONGEST_ID and key.isprintable(), "has an id that cannot be kept", key)
    for name in (vote.model_a, vote.model_b):
        is_name = bool(name.strip()) and len(name) <= LONGEST_NAME and name.isprintable()
        _demand(is_name, "has a model without a name", name)
    _demand(vote.model_a != vote.model_b, "has a model against itself", vote.model_a)
    _demand(vote.choice in CHOICES, "has a choice that is not known", vote.choice)
    _demand(vote.mode in MODES, "has a mode that is not known", vote.mode)
    chance = vote.pair_probability
    _demand(chance is None or 0 < chance <= 1, "has a probability that is none", chance)
    _demand(vote.set_aside is None or bool(vote.set_aside.strip()), "has a voter set aside for no reason")
    for at in (vote.voted_at, vote.started_at):
        _demand(at.tzinfo is not None and at.year in YEARS, "has a moment that cannot be", at)
    numbers = [turn.number for turn in vote.turns]
    _demand(bool(numbers) and numbers == list(range(1, len(numbers) + 1)), "has turns that are not numbered so")
    _demand(vote.turn in numbers, "is about a turn that is not there", vote.turn)
    for turn in vote.turns:
        _check_turn(turn)
    _check_said(vote, numbers)


def _check_said(vote: VoteRecord, numbers: list[int]) -> None:
    """What was said about the vote, and the votes about later turns."""
    later = [one.turn for one in vote.turn_votes]
    is_later = len(set(later)) == len(later) and set(later) <= set(numbers) - {vote.turn}
    _demand(is_later, "has votes about turns that are not there", later)
    for one in vote.turn_votes:
        _demand(one.choice in CHOICES, "has a choice that is not known", one.choice)
    for at in (vote.remarked_at or vote.voted_at, *(one.voted_at for one in vote.turn_votes)):
        _demand(at.tzinfo is not None and at.year in YEARS, "has a moment that cannot be", at)
    for reason in (*vote.reasons_a, *vote.reasons_b):
        _demand(bool(reason) and len(reason) <= LONGEST_NAME, "has a reason that cannot be kept", reason)
    is_said = bool(vote.reasons_a or vote.reasons_b or vote.comment)
    _demand(not is_said or vote.remarked_at is not None, "has reasons without a moment", vote.comment)


def _check_turn(turn: TurnRecord) -> None:
    _demand(bool(turn.prompt.split("\0", 1)[0]), "has an empty prompt")
    for answer in (side_of(turn, "a"), side_of(turn, "b")):
        _check_answer(answer)


def _check_answer(answer: AnswerRecord) -> None:
    _demand(answer.state in STATES, "has an answer that is not complete", answer.state)
    for tokens in (answer.prompt_tokens, answer.completion_tokens):
        _demand(tokens is None or 0 <= tokens <= MOST_TOKENS, "has a number of tokens that cannot be", tokens)
    for ms in (answer.first_token_ms, answer.duration_ms):
        _demand(ms is None or (isfinite(ms) and 0 <= ms <= MOST_MS), "has a time that cannot be", ms)
    _demand(1 <= answer.versions <= MOST_VERSIONS, "has a number of versions that cannot be", answer.versions)


def _demand(is_so: bool, reason: str, detail: object = None) -> None:
    if not is_so:
        raise LeftOut(reason, detail)
