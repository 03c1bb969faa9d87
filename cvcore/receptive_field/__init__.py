"""Which input pixels a unit of a convolutional network can see, and which ones it really listens to.

Theoretical receptive field: Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill
2019, https://distill.pub/2019/computing-receptive-fields. Effective receptive field: Luo et al., "Understanding the
Effective Receptive Field in Deep Convolutional Neural Networks", NeurIPS 2016, https://arxiv.org/abs/1701.04128.
"""

from cvcore.receptive_field.effective import effective_receptive_field, run_to
from cvcore.receptive_field.theoretical import ReceptiveField, receptive_field, receptive_fields

__all__ = ["ReceptiveField", "effective_receptive_field", "receptive_field", "receptive_fields", "run_to"]
