package probe

// TokenLen is the length of a token, in bytes.
const TokenLen = tokenLen

// AppendToken appends TokenLen bytes that name p and can't be made without the
// key. The label keeps tokens of different uses apart.
func (k Key) AppendToken(b []byte, label string, p Packet) []byte { return k.appendToken(b, label, p) }

// OpenToken returns what the token at the start of b names, if it was made with
// this key and label.
func (k Key) OpenToken(b []byte, label string) (Packet, bool) { return k.openToken(b, label) }

// AppendPadding appends n bytes that a link can't compress, the same each time
// for the same packet.
func AppendPadding(b []byte, n int, p Packet) []byte { return appendPadding(b, n, p) }
