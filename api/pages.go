package api

import (
	"context"

	"medfleet"
)

func (s *Server) mountPages() {
	register(s, operation{
		id: "list-pages", pattern: "GET /api/v1/pages", tag: "pages", summary: "List pages, newest first",
		about:   "Every message about an alarm to a channel, and whether it was delivered. Ambiguous means that it may have been.",
		example: list[medfleet.Page]{Items: []medfleet.Page{examplePage}},
	}, s.listPages)
}

func (s *Server) listPages(ctx context.Context, in *Paging) (*answer[list[medfleet.Page]], error) {
	pages, next, err := s.o.Pages.Pages(ctx, in.Limit, in.Cursor)
	if err != nil {
		return nil, s.failed(ctx, "the pages", err)
	}
	return listOf(pages, next), nil
}

func (s *Server) mountGateways() {
	register(s, operation{
		id: "list-gateways", pattern: "GET /api/v1/gateways", tag: "gateways", summary: "List gateways, by name",
		about:   "Every gateway that ever reported: whether it is heard, what waits in it, how its clock stands.",
		example: list[medfleet.Gateway]{Items: []medfleet.Gateway{exampleGateway}},
	}, s.listGateways)
}

func (s *Server) listGateways(context.Context, *struct{}) (*answer[list[medfleet.Gateway]], error) {
	return listOf(s.gateways(), ""), nil
}

// gateways gives every gateway as JSON can carry it.
func (s *Server) gateways() []medfleet.Gateway {
	all := s.o.Gateways.Gateways()
	for i := range all {
		for _, v := range []*float64{&all[i].OldestSeconds, &all[i].ClockOffset} {
			if !finite(*v) {
				*v = 0
			}
		}
	}
	return all
}
