"""One mechanism a folder or file, as functions on tensors."""


def warm_up() -> None:
    """Compile the loops of all operators, or load them if they are on disk: some 40 s the first time, a second later.

    To be called in a worker thread before the first use, so that the first use does not wait. Safe to call again.
    """
    from cvcore.ops import deform_conv, nms, paf, roi

    nms.warm_up()
    roi.warm_up()
    paf.warm_up()
    deform_conv.warm_up()
