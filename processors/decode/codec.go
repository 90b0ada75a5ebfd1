package decode

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"
)

// codec decodes a body to at most limit bytes.
type codec func(body []byte, limit int) ([]byte, error)

// stream is a reusable reader of what src decodes to.
type stream struct {
	io.Reader
	src   bytes.Reader
	reset func() error // starts again with src
}

var (
	gzips = sync.Pool{New: func() any {
		s, z := &stream{}, &gzip.Reader{}
		s.Reader, s.reset = z, func() error { return z.Reset(&s.src) }
		return s
	}}
	zlibs = sync.Pool{New: func() any {
		return resetting(func(src io.Reader) io.Reader {
			r, _ := zlib.NewReader(src) // src is a well-formed empty stream
			return r
		})
	}}
	flates = sync.Pool{New: func() any {
		return resetting(func(src io.Reader) io.Reader { return flate.NewReader(src) })
	}}
)

// resetting makes a stream of a reader of package zlib or flate, which are reset in the same way.
// zlib makes a reader only from a well-formed stream.
func resetting(open func(io.Reader) io.Reader) *stream {
	s := &stream{}
	s.src.Reset([]byte("\x78\x9c\x03\x00\x00\x00\x00\x01"))
	s.Reader = open(&s.src)
	s.reset = func() error {
		return s.Reader.(flate.Resetter).Reset(&s.src, nil) //nolint:forcetypeassert // both have it, by their documentation
	}
	return s
}

func gunzip(body []byte, limit int) ([]byte, error) { return pooled(&gzips, body, limit) }

func inflate(body []byte, limit int) ([]byte, error) {
	if hasZlibHeader(body) {
		return pooled(&zlibs, body, limit)
	}
	return pooled(&flates, body, limit)
}

// hasZlibHeader tells RFC 1950 from a bare RFC 1951 stream: the latter would have to begin with a
// stored block with bits set that every encoder leaves clear.
func hasZlibHeader(body []byte) bool {
	return len(body) >= 2 && body[0]&0x0f == 8 && body[0]>>4 <= 7 &&
		(uint16(body[0])<<8|uint16(body[1]))%31 == 0
}

// pooled decodes with a stream of pool. One that panics is not put back.
func pooled(pool *sync.Pool, body []byte, limit int) ([]byte, error) {
	s := pool.Get().(*stream) //nolint:forcetypeassert // it holds nothing else
	s.src.Reset(body)
	err := s.reset()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // the body is empty
	}
	var decoded []byte
	if err == nil {
		decoded, err = read(s, &s.src, limit)
	}
	s.src.Reset(nil) // the pool keeps no message
	pool.Put(s)
	return decoded, err
}

// custom decodes with the user's function.
func custom(open func(io.Reader) (io.Reader, error)) codec {
	return func(body []byte, limit int) ([]byte, error) {
		src := bytes.NewReader(body)
		r, err := open(src)
		if err != nil {
			return nil, err
		}
		if c, ok := r.(io.Closer); ok {
			defer func() { _ = c.Close() }() // the end of the stream has shown any error
		}
		return read(r, src, limit)
	}
}

// read returns all of r, which reads src, if that is no more than limit.
func read(r io.Reader, src *bytes.Reader, limit int) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, min(4*src.Len(), limit)+bytes.MinRead))
	n, err := buf.ReadFrom(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case n > int64(limit):
		return nil, fmt.Errorf("%w: it has more than %d bytes; MaxSize sets the limit", ErrTooLarge, limit)
	case src.Len() > 0:
		return nil, fmt.Errorf("%d bytes follow the end of the stream", src.Len())
	}
	return buf.Bytes(), nil
}
