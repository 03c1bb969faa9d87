"""Networks that give heat maps and part affinity fields: the paper's, lightweight OpenPose, and our own small one."""

from cvcore.models.openpose.body import OpenPoseBody, from_official, openpose_body
from cvcore.models.openpose.light import LightOpenPose, light_openpose
from cvcore.models.openpose.maps import PoseMaps
from cvcore.models.openpose.network import Pixels, PoseNetwork, to_picture
from cvcore.models.openpose.small import PoseSmall, pose_small

__all__ = [
    "LightOpenPose",
    "OpenPoseBody",
    "Pixels",
    "PoseMaps",
    "PoseNetwork",
    "PoseSmall",
    "from_official",
    "light_openpose",
    "openpose_body",
    "pose_small",
    "to_picture",
]
