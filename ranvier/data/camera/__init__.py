"""The camera model: images or video to events."""

from ranvier.data.camera.camera import Camera, CameraState
from ranvier.data.camera.pan import TRIANGLE, Pan

__all__ = ["TRIANGLE", "Camera", "CameraState", "Pan"]
