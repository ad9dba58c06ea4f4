"""How far two modules are apart."""


def largest_difference(one, two):
    """The largest difference of a weight or statistic between two modules of one kind."""
    a, b = one.state_dict(), two.state_dict()
    assert list(a) == list(b)
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)
