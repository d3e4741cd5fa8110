package udpecho

// Header returns a header under the public key, for those who forge one: an
// answer, or else a probe.
func Header(answer bool, length int, token uint64) []byte {
	k := probeKind
	if answer {
		k = answerKind
	}
	b := make([]byte, headerLen)
	newCodec(nil).put(b, header{kind: k, length: length, token: token})
	return b
}
