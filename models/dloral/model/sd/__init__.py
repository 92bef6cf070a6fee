"""DLoRAL on Stable Diffusion: cross-frame retrieval, the merged one-step UNet, and the latent autoencoder.

Classes and configurations of UNet and autoencoder are diffusers'; what surrounds them is here.
"""

from dloral.model.sd.cfr import CrossFrameRetrieval
from dloral.model.sd.codec import LatentDecoder, LatentEncoder
from dloral.model.sd.restorer import SdRestorer
from dloral.model.sd.unet import OneStepUNet

__all__ = ["CrossFrameRetrieval", "LatentDecoder", "LatentEncoder", "OneStepUNet", "SdRestorer"]
