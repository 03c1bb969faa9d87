"""Networks that other people write: all run in torch, and each is odd in its own way. Run as a network of the user's own."""

from collections import namedtuple
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.side, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 4, 1), nn.Linear(8, 5)

    def head(self, x):
        return self.fc(x.mean((2, 3)))


def odd(forward):
    """A builder of networks whose forward is this."""
    return lambda: type("Odd", (Base,), {"forward": forward})()


no_grad = odd(torch.no_grad()(lambda self, x: self.head(self.stem(x))))
inference_mode = odd(torch.inference_mode()(lambda self, x: self.head(self.stem(x))))


@odd
def view(self, x):
    whole = self.stem(x)
    part = whole[:, :4]
    part += self.side(x)
    return self.head(whole)


@odd
def chunk(self, x):
    a, b = self.stem(x).chunk(2, 1)
    a.relu_()
    a.add_(self.side(x))
    return self.head(torch.cat((a, b), 1))


@odd
def reentrant(self, x):
    return self.head(checkpoint(torch.relu, self.stem(x), use_reentrant=True))


@odd
def checkpointed(self, x):
    return self.head(checkpoint(torch.relu, self.stem(x), use_reentrant=False))


@odd
def refuses_gradients(self, x):
    if torch.is_grad_enabled():
        raise IndexError("no gradients here")
    return self.head(self.stem(x))


@odd
def through_numpy(self, x):
    return self.head(self.stem(torch.from_numpy(x.numpy() * 2)))


@odd
def in_place_on_its_input(self, x):
    x -= x.mean()
    return self.head(self.stem(x))


@odd
def detached(self, x):
    return self.head(self.stem(x).detach())


@odd
def goes_another_way(self, x):
    self.calls = getattr(self, "calls", 0) + 1
    return self.head(self.stem(x) if self.calls % 2 else torch.relu(self.stem(x)))


@odd
def several_times(self, x):
    return self.head(self.stem(self.stem(x)[:, :3]))


@odd
def keeps_what_it_saw(self, x):
    made = self.stem(x)
    self.seen = 0.9 * getattr(self, "seen", 0) + 0.1 * made.mean()
    return self.head(made + self.seen)


@odd
def complex_numbers(self, x):
    return self.head(torch.fft.ifft2(torch.fft.fft2(self.stem(x))).real)


@odd
def a_dict(self, x):
    made = self.stem(x)
    return {"note": "fine", "features": [made, None], "logits": self.head(made)}


Given = namedtuple("Given", "logits extra")


@odd
def a_namedtuple(self, x):
    return Given(self.head(self.stem(x)), 3)


@dataclass
class Found:
    logits: torch.Tensor
    note: str = "fine"


@odd
def a_dataclass(self, x):
    return Found(self.head(self.stem(x)))


@odd
def autocast(self, x):
    with torch.autocast("cpu", torch.bfloat16):
        return self.head(self.stem(x)).float()


class Once(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient):
        raise NotImplementedError("no way back")


@odd
def no_way_back(self, x):
    return self.head(Once.apply(self.stem(x)))


class Fourier(nn.Module):
    def forward(self, x):
        return torch.fft.rfft2(x)


class Magnitude(nn.Module):
    def forward(self, x):
        return x.abs()


def head(*layers):
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


def complex_layer():
    return head(nn.Conv2d(3, 8, 3), Fourier(), Magnitude())


class ComplexWeights(Base):
    def __init__(self):
        super().__init__()
        self.mix = nn.Parameter(torch.randn(8, 8, dtype=torch.complex64))

    def forward(self, x):
        return self.head(torch.einsum("bchw,cd->bdhw", self.stem(x).to(torch.complex64), self.mix).real)


def complex_weights():
    return ComplexWeights()


def static_quantised():
    q = torch.ao.quantization
    net = nn.Sequential(
        q.QuantStub(), nn.Conv2d(3, 8, 3), q.DeQuantStub(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )
    net.eval().qconfig = q.get_default_qconfig("fbgemm")
    net[5].qconfig = None
    q.prepare(net, inplace=True)
    net(torch.rand(1, 3, 32, 32))
    return q.convert(net, inplace=True)


def dynamically_quantised():
    return torch.ao.quantization.quantize_dynamic(head(nn.Conv2d(3, 8, 3)), {nn.Linear}, dtype=torch.qint8)


def scripted_part():
    return head(nn.Conv2d(3, 8, 3), torch.jit.script(nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())))


def lazy():
    return nn.Sequential(
        nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(5)
    )


def weight_norm():
    return head(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3)))


def old_weight_norm():
    return head(nn.utils.weight_norm(nn.Conv2d(3, 8, 3)))


def spectral_norm():
    return head(nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)))


def old_spectral_norm():
    return head(nn.utils.spectral_norm(nn.Conv2d(3, 8, 3)))


def orthogonal():
    return head(nn.utils.parametrizations.orthogonal(nn.Conv2d(3, 8, 3)))


def pruned():
    conv = nn.Conv2d(3, 8, 3)
    prune.random_unstructured(conv, "weight", 0.5)
    prune.random_unstructured(conv, "weight", 0.5)
    prune.random_unstructured(conv, "bias", 0.5)
    return head(conv)


class Symmetric(nn.Module):
    """A parametrisation that has no way back."""

    def forward(self, weight):
        return weight + weight.flip(-1)


def own_parametrisation():
    return head(nn.utils.parametrize.register_parametrization(nn.Conv2d(3, 8, 3), "weight", Symmetric()))


def tied():
    net = head(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1))
    net[2].weight = net[1].weight
    return net


def attention():
    class Net(Base):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            tokens = nn.functional.avg_pool2d(self.stem(x), 8).flatten(2).transpose(1, 2)
            return self.fc(self.attention(tokens, tokens, tokens)[0].mean(1))

    return Net()


def recurrent():
    class Net(Base):
        def __init__(self):
            super().__init__()
            self.rows = nn.LSTM(8, 8, batch_first=True)

        def forward(self, x):
            return self.fc(self.rows(self.stem(x).mean(3).transpose(1, 2))[0][:, -1])

    return Net()


def data_parallel():
    return nn.DataParallel(head(nn.Conv2d(3, 8, 3)))


def channels_last():
    return head(nn.Conv2d(3, 8, 3)).to(memory_format=torch.channels_last)
