//go:build !linux

package wire

func setLowWater(uintptr, int) {}
