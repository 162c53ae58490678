//! Things under numbers that are used again, with a generation each so that an old number finds nothing.

/// Where a thing is, and which of those that have been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) index: u32,
    generation: u32,
}

/// Things under their [`Id`]s.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    thing: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts in what `make` makes of its own place.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(Id) -> T) -> Id {
        let index = self.free.pop().unwrap_or(self.places.len() as u32);
        if index as usize == self.places.len() {
            self.places.push(Place { generation: 0, thing: None });
        }
        let place = &mut self.places[index as usize];
        let id = Id { index, generation: place.generation };
        place.thing = Some(make(id));
        id
    }

    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let place = self.places.get(id.index as usize)?;
        if place.generation == id.generation { place.thing.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let place = self.places.get_mut(id.index as usize)?;
        if place.generation == id.generation { place.thing.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let place = self.places.get_mut(id.index as usize)?;
        if place.generation != id.generation {
            return None;
        }
        let thing = place.thing.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(thing)
    }

    /// Who is at this place now.
    pub(super) fn at(&self, index: u32) -> Option<Id> {
        let place = self.places.get(index as usize)?;
        place.thing.as_ref().map(|_| Id { index, generation: place.generation })
    }

    /// All that are there. Costs what there are places: for stopping, not for a message.
    pub(super) fn ids(&self) -> Vec<Id> {
        (0..self.places.len() as u32).filter_map(|index| self.at(index)).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| place.thing.as_ref())
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_does_not_find_who_came_after() {
        let mut slab = Slab::default();
        let first = slab.insert_with(|_| 'a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert_with(|_| 'b');
        assert_eq!(second.index, first.index);
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&'b')));
        assert_eq!((slab.remove(first), slab.len()), (None, 1));
        assert_eq!(slab.at(second.index), Some(second));
    }
}
