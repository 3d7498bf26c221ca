"""Personal data on its way out: people's names and telephone numbers are masked by these functions alone."""


def masked_name(name: str) -> str:
    """The first character of a name and one star for each other one; a single character is hidden whole."""
    return name[0] + "*" * (len(name) - 1) if len(name) > 1 else "*" * len(name)


def masked_mobile(mobile: str) -> str:
    """First 3 and last 4 digits of an 11-digit mobile number."""
    assert len(mobile) == 11, "only a checked number can be masked"
    return f"{mobile[:3]}****{mobile[7:]}"
