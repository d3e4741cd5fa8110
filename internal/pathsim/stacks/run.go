package stacks

// Result is what one search did.
type Result struct {
	Sent  int  // probes that left the host
	Lost  int  // of them
	Bytes int  // of them, in whole IP packets
	Final int  // the size in use at the end, bytes of a whole IP packet
	Fail  bool // the size that the stack starts from does not fit the path
}

// maxProbesPerRun ends a search that doesn't end by itself.
const maxProbesPerRun = 4096

// Run runs a search on a path of the given MTU (bytes of a whole IP packet).
// lose says whether a probe that fits is lost all the same; nil: never. each is
// told of every probe that left; nil: nobody is.
func Run(st Stack, set Setting, pathMTU int, lose func() bool, each func(size int, acked bool)) Result {
	search := st.New(set)
	over := st.Overhead(set)
	if search.Size()+over > pathMTU {
		return Result{Fail: true}
	}
	var r Result
	for r.Sent < maxProbesPerRun {
		size := search.Next()
		if size == 0 {
			break
		}
		ip := size + over
		if ip > set.Interface {
			if l, ok := search.(Local); ok {
				l.TooBig()
			} else {
				search.Lost()
			}
			continue
		}
		r.Sent++
		r.Bytes += ip
		acked := ip <= pathMTU && (lose == nil || !lose())
		if acked {
			search.Acked()
		} else {
			r.Lost++
			search.Lost()
		}
		if each != nil {
			each(size, acked)
		}
	}
	r.Final = search.Size() + over
	return r
}
