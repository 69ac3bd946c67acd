"""What is expected of a batch as a whole, before anybody trusts its labels.

These expectations are plain comparisons of counts: a folder is scored in a fraction of the time that Great Expectations takes
to be imported. ``digits validate FOLDER`` has it look at every picture.
"""

from collections import Counter
from collections.abc import Callable

# A smaller batch cannot be judged.
LEAST = 10
IDENTICAL = "MostlyIdentical"


def find_doubtful(rows: int, reasons: Counter[str], maximum_share: float) -> dict[str, str]:
    """Tell, by name and in words, whether most ``rows`` that could be read are for review, for ``reasons`` that are counted."""
    if rows < LEAST or reasons.total() <= maximum_share * rows:
        return {}
    from pipeline.digits.pictures import trust

    expectations = (
        ("MostlyBlank", {trust.BLANK, trust.FAINT}, "are blank: the wrong side, or an empty feeder"),
        ("MostlyInverted", {trust.OVERFULL}, "are full of ink: inverted, or framed, beyond repair"),
        ("MostlyNotDigits", trust.REASONS, "are not sure to be a digit: another kind of picture, or of pen"),
    )
    for name, some, words in expectations:
        count = sum(reasons[reason] for reason in some)
        if count > maximum_share * rows:
            return {name: f"{count} of {rows} pictures {words}. Look at some before you use the labels."}
    return {}


def find_identical(
    answers: Counter[tuple[int, int]], most_alike: Callable[[int, int], int], maximum_share: float
) -> dict[str, str]:
    """Tell whether most pictures are one: only those are compared whose ``answers``, label and confidence, are the same.

    ``most_alike`` gives how many of them are the same to the pixel.
    """
    labelled = answers.total()
    if labelled < LEAST:
        return {}
    answer, number = answers.most_common(1)[0]
    same = most_alike(*answer) if number > maximum_share * labelled else 0
    if same <= maximum_share * labelled:
        return {}
    return {
        IDENTICAL: f"{same} of {labelled} pictures that were compared are the same to the pixel: copies, or a scanner that "
        f"hangs. Look at some before you use the labels."
    }
