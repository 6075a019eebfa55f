"""What the environments are for: a training step and the exports in each framework, and ONNX models."""

from collections.abc import Iterator

from diptych.machine import has_gpu
from doctor.child import Answer, ask
from doctor.finding import Finding, quoted
from doctor.place import ON_GPU, WORK, Environment, Place
from doctor.remedies import remedy


def check(place: Place) -> Iterator[Finding]:
    """Does the work of each environment on a small scale, in a child process."""
    gpu = has_gpu()
    usable = [one for one in place if one.python.is_file()]  # of the others, `environments` says so
    if not usable:
        yield Finding("frameworks", "none was tried, since there is no environment yet")
    for one in usable:
        for work in WORK[one.kind]:
            probe, *arguments = work.split()
            answer = ask(one.python, probe, *arguments, seconds=place.seconds)
            yield judged(one, work, answer, wants_gpu=gpu and work in ON_GPU.get(one.kind, ()))


def judged(one: Environment, work: str, answer: Answer, *, wants_gpu: bool) -> Finding:
    """The finding for a probe's answer."""
    title = {"build": "builder", "runtime": "onnxruntime"}.get(work, work.removeprefix("step "))
    subject = title if title == one.kind else f"{title} in {one.kind}"
    if answer.problem:
        return Finding(subject, answer.problem, remedy(one, answer.problem))
    facts = answer.facts
    libraries = "".join(f", {name} {version}" for name, version in facts["libraries"].items())
    text = f"{facts['did']} in {facts['seconds']:.1f} s on {facts['device']}{libraries}"
    if wants_gpu and not facts["on_gpu"]:
        return Finding(
            subject,
            f"{text}, although there is a GPU",
            "see that nvidia-smi works and CUDA_VISIBLE_DEVICES is not set, "
            f"then rm -r {quoted(one.folder)} and run nox",
            facts,
        )
    return Finding(subject, text, facts=facts)
