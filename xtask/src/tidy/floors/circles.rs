//! Circles in the graph of a crate's files.

use std::collections::VecDeque;

use super::graph::{Edge, Graph};

/// One circle, as short as can be, of each set of files that all need each other.
pub(super) fn circles(graph: &Graph) -> Vec<Vec<Edge>> {
    let count = graph.files.len();
    let reach: Vec<Reach> = (0..count).map(|file| Reach::new(graph, file)).collect();
    let mut seen = vec![false; count];
    let mut found = Vec::new();
    for start in 0..count {
        if seen[start] {
            continue;
        }
        let together = |file: usize| reach[start].gets_to(file) && reach[file].gets_to(start);
        let members: Vec<usize> = (start..count).filter(|&file| together(file)).collect();
        members.iter().for_each(|&file| seen[file] = true);
        let circles = members.iter().map(|&file| reach[file].path(file));
        found.extend(circles.min_by_key(Vec::len));
    }
    found
}

/// Where one can get to from a file, and by which last edge on a shortest way. A file gets to
/// itself only by a circle.
struct Reach(Vec<Option<Edge>>);

impl Reach {
    fn new(graph: &Graph, start: usize) -> Self {
        let mut last = vec![None; graph.files.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(file) = queue.pop_front() {
            for edge in graph.edges.iter().filter(|edge| edge.from == file) {
                if last[edge.to].is_none() {
                    last[edge.to] = Some(*edge);
                    if edge.to != start {
                        queue.push_back(edge.to);
                    }
                }
            }
        }
        Reach(last)
    }

    fn gets_to(&self, file: usize) -> bool {
        self.0[file].is_some()
    }

    /// The way from the start to `end`.
    fn path(&self, end: usize) -> Vec<Edge> {
        let mut path = Vec::new();
        let mut at = end;
        while let Some(edge) = self.0[at] {
            path.push(edge);
            at = edge.from;
            if at == end {
                break;
            }
        }
        path.reverse();
        path
    }
}
