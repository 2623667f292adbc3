"""`rockchip/*`: Rockchip's NPUs through RKNN-Toolkit2, in its simulator."""
