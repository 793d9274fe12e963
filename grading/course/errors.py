"""What the person at the keyboard can mend."""


class CourseError(Exception):
    """Something the person at the keyboard can mend: the message names the fix."""
