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
    /// How many places are set aside.
    reserved: usize,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    thing: Option<T>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { places: Vec::new(), free: Vec::new(), reserved: 0 }
    }
}

impl<T> Slab<T> {
    /// Puts in what `make` makes of its own place.
    pub(super) fn insert_with(&mut self, make: impl FnOnce(Id) -> T) -> Id {
        let id = self.reserve();
        self.fill(id, make(id));
        id
    }

    /// Sets a place aside, for what is still to come. There is nothing at it.
    pub(super) fn reserve(&mut self) -> Id {
        let index = self.free.pop().unwrap_or(self.places.len() as u32);
        if index as usize == self.places.len() {
            self.places.push(Place { generation: 0, thing: None });
        }
        self.reserved += 1;
        Id { index, generation: self.places[index as usize].generation }
    }

    /// Puts in what a place was set aside for.
    pub(super) fn fill(&mut self, id: Id, thing: T) {
        if let Some(place) = self.reserved(id) {
            place.thing = Some(thing);
            self.reserved -= 1;
        }
    }

    /// Gives back a place that was set aside and not filled.
    pub(super) fn release(&mut self, id: Id) {
        if let Some(place) = self.reserved(id) {
            place.generation = place.generation.wrapping_add(1);
            self.free.push(id.index);
            self.reserved -= 1;
        }
    }

    fn reserved(&mut self, id: Id) -> Option<&mut Place<T>> {
        let place = self.places.get_mut(id.index as usize)?;
        (place.generation == id.generation && place.thing.is_none()).then_some(place)
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
        self.places.len() - self.free.len() - self.reserved
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

    #[test]
    fn a_place_that_is_set_aside_holds_nothing_until_it_is_filled() {
        let mut slab = Slab::default();
        let (gone, kept) = (slab.reserve(), slab.reserve());
        assert_eq!((slab.len(), slab.at(kept.index), slab.remove(kept)), (0, None, None));
        slab.release(gone);
        slab.fill(gone, 'a');
        slab.fill(kept, 'b');
        assert_eq!((slab.len(), slab.get(gone), slab.get(kept)), (1, None, Some(&'b')));
        // What is filled is no place to give back.
        slab.release(kept);
        assert_eq!((slab.reserve().index, slab.get(kept), slab.len()), (gone.index, Some(&'b'), 1));
    }
}
