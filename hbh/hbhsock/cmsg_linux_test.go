package hbhsock

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

func TestControlMessage(t *testing.T) {
	want := hbh.Option{Min: 1500, Rtn: 1400, R: true}
	oob := appendOption(nil, want)
	msgs, err := unix.ParseSocketControlMessage(oob)
	require.NoError(t, err)
	require.Len(t, msgs, 1)
	assert.Equal(t, int32(unix.IPPROTO_IPV6), msgs[0].Header.Level)
	assert.Equal(t, int32(unix.IPV6_HOPOPTS), msgs[0].Header.Type)
	assert.Equal(t, []byte{0, 0, 0x30, 4, 5, 0xdc, 5, 0x79}, msgs[0].Data)
	assert.Equal(t, hbh.Observed{Count: 1, Min: 1500, Rtn: 1400, R: true}, observe(oob, false))

	assert.Equal(t, ip6.HeaderTruncated, observe(oob, true).Problem.Reason)
	for n := 1; n < unix.CmsgLen(hbh.HeaderLen); n++ {
		assert.Zero(t, observe(oob[:n], false).Count, "%d bytes", n)
	}
}

func FuzzControlMessage(f *testing.F) {
	f.Add(appendOption(nil, hbh.Option{Min: 1500}))
	f.Add(append(appendOption(nil, hbh.Option{Min: 1500}), 1, 2, 3))
	f.Fuzz(func(t *testing.T, oob []byte) { observe(oob, false) })
}
