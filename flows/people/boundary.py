"""What people said, taken up where a run begins and between its iterations: their ways back, and their answers."""

from __future__ import annotations

from flows.entry import Ended, Entry, entry_after, new_run
from flows.people import answers, requests
from flows.record import Iteration, read_record
from flows.session import Session
from flows.transitions import STAGES
from stages.params import load_params, read_params


def at_start(session: Session) -> list[Iteration]:
    """Set where the session begins: by a way back that waits, else by the answer to a question; return their lines."""
    lines = read_record(session.project)
    run = session.entry.run if isinstance(session.entry, Entry) else new_run()
    stands = lines[-1].stage if lines else STAGES[0]
    number = lines[-1].iteration + 1 if lines else 1
    made, entry = take_requests(session, run, stands, number)
    if entry is None and isinstance(session.entry, Ended):
        answered = take_answer(session)
        if answered is not None:
            made.append(answered)
            entry = following(answered)
            if entry is None:
                session.entry = Ended(answered)
    if entry is not None:
        session.entry = entry
    return made


def after(session: Session, done: Iteration) -> tuple[list[Iteration], Entry | None]:
    """Return where a run goes after an iteration, None for nowhere; and the lines of what people said meanwhile."""
    made, entry = take_requests(session, done.run, done.stage, done.iteration + 1)
    return made, entry or following(done)


def following(done: Iteration) -> Entry | None:
    """Return the entry that a recorded move makes, None where it ends."""
    return entry_after(done) if done.move["to"] in STAGES else None


def take_requests(session: Session, run: str, stands: str, number: int) -> tuple[list[Iteration], Entry | None]:
    """Record the ways back that wait, one line each; return the lines, and the entry that the last of them makes."""
    project, made = session.project, list[Iteration]()
    for request in requests.pending(project):
        if not requests.taken(read_record(project), request):
            why_not = requests.refusal(project, request)
            if why_not is not None:
                session.show.note(f"{request.by}'s way back to {request.stage} is refused: {why_not}")
            else:
                made.append(take(session, request, run, stands, number + len(made)))
                stands = request.stage
        requests.remove(project, request)
    return made, following(made[-1]) if made else None


def take(session: Session, request: requests.Request, run: str, stands: str, number: int) -> Iteration:
    """Record a person's way back, and show it."""
    entry = Entry(run, number, stands, request.because, "manual", by="person")
    said = session.conclude_manual(entry, request.as_signal())
    session.show.stage_started(f"{request.by}'s way back", entry)
    session.show.stage_done(said)
    return said


def take_answer(session: Session) -> Iteration | None:
    """Record the answer to the question that waits, or the charter's rule when its time is over; None: it waits."""
    lines = read_record(session.project)
    asked = answers.question(lines)
    answer = answers.answer_or_rule(session.project, asked) if asked is not None else None
    if asked is None or answer is None:
        return None
    per_row = load_params(session.project).planning.budgets.per_row
    move = answers.settled(asked, answer, read_params(session.project), lines, per_row)
    by = "loop" if answer.verdict == "timed_out" else "person"
    because = f"the question of iteration {asked.iteration} is answered"
    entry = Entry(asked.run, asked.iteration + 1, asked.stage, because, asked.move["row"], by=by)
    said = session.conclude_word(entry, answers.as_signal(asked, answer), move)
    session.show.stage_started(f"the answer to iteration {asked.iteration}", entry)
    session.show.stage_done(said)
    return said
