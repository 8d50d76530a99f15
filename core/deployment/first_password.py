"""First passwords, which somebody reads to somebody else."""

_CONSONANTS, _VOWELS = "bdfghjklmnprstvz", "aiou"
_WORD_BITS = 16
_WORDS = 4
"""64 bits, each of them random."""


def readable(secret: str) -> str:
    """A password such as `lusab-babad-gutih-tugad`.

    The words are proquints (Wilkerson, arXiv:0901.4016): each writes 16 bits as five letters that
    can be spoken.

    Args:
        secret: random bytes in hexadecimal, at least eight.
    """
    bits = int(secret[: _WORDS * _WORD_BITS // 4], 16)
    shifts = range((_WORDS - 1) * _WORD_BITS, -1, -_WORD_BITS)
    return "-".join(_word(bits >> shift & 0xFFFF) for shift in shifts)


def _word(bits: int) -> str:
    consonants = [_CONSONANTS[bits >> shift & 0xF] for shift in (12, 6, 0)]
    vowels = [_VOWELS[bits >> shift & 0x3] for shift in (10, 4)]
    return consonants[0] + vowels[0] + consonants[1] + vowels[1] + consonants[2]
