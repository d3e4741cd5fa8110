//go:build !unix && !windows

package udpsock

func isMessageTooLong(error) bool { return false }

func isPending(error) bool { return false }

func isRefused(error) bool { return false }
