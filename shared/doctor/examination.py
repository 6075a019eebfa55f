"""The whole examination, section by section."""

from collections.abc import Callable, Iterator

from deploy.errors import first_line
from doctor import caches, data, environments, gpu, machine, work
from doctor.finding import Finding
from doctor.place import Place

SECTIONS: dict[str, Callable[[Place], Iterator[Finding]]] = {
    "machine": machine.check,
    "GPU": gpu.check,
    "environments": environments.check,
    "frameworks": work.check,
    "data sets": data.check,
    "caches": caches.check,
}


def examine(place: Place, begin: Callable[[str], None] = lambda section: None) -> Iterator[tuple[str, list[Finding]]]:
    """The findings of each section. `begin` is called before a section with its name, since some take a minute."""
    for section, check in SECTIONS.items():
        begin(section)
        findings = []
        try:
            for finding in check(place):
                findings.append(finding)
        except Exception as error:  # whatever a strange machine raises: the rest of the report is not lost
            text = f"cannot be examined further: {type(error).__name__}: {first_line(error)}"
            findings.append(Finding(section, text, "mend what it names, or report this line"))
        yield section, findings
